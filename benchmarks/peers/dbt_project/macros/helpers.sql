{% macro helpers() %}
CREATE OR REPLACE MACRO guid(channel, shop, number) AS CAST(md5(concat(channel, '|', shop, '|', number)) AS UUID);
CREATE OR REPLACE MACRO money(x) AS CAST(x AS DECIMAL(18, 2));
CREATE OR REPLACE MACRO bare(x) AS trim(x, '="');
CREATE OR REPLACE MACRO utc(x) AS CAST(left(x, 19) || 'Z' AS TIMESTAMPTZ);
CREATE OR REPLACE MACRO person(kind, value) AS sha256('a key of this machine|' || kind || '|' || value);
CREATE OR REPLACE MACRO courier(name) AS CASE name WHEN '顺丰速运' THEN 'sf' WHEN '中通快递' THEN 'zto' WHEN '圆通速递' THEN 'yto'
    WHEN '韵达快递' THEN 'yunda' WHEN '京东快递' THEN 'jd' ELSE 'unmapped' END;
{% endmacro %}
