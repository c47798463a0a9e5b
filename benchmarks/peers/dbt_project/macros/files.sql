{# What a kind of file is read with. #}
{% macro files(kind) %}{{ var('files')[kind] }}{% endmacro %}

{# In a further run only files that have not been read: as constants, so that DuckDB does not open the others. #}
{% macro only_new_files() -%}
{%- if is_incremental() -%}
{%- set known = run_query('SELECT DISTINCT filename FROM ' ~ this).columns[0].values() -%}
filename NOT IN ('{{ known | join("', '") }}')
{%- else -%}
true
{%- endif -%}
{%- endmacro %}

{% macro as_of() %}TIMESTAMPTZ '{{ var('as_of') }}'{% endmacro %}

{# The schema a model names is its schema, without the target's in front of it. #}
{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}
