-- The session and its helpers. Its zone is Asia/Shanghai: a time without an offset is Beijing time.

SET TimeZone = 'Asia/Shanghai';
SET preserve_insertion_order = false;

CREATE SCHEMA orders; CREATE SCHEMA payments; CREATE SCHEMA fulfilment; CREATE SCHEMA reconciliation;

CREATE MACRO guid(channel, shop, number) AS CAST(md5(concat(channel, '|', shop, '|', number)) AS UUID);

CREATE MACRO money(x) AS CAST(x AS DECIMAL(18, 2));

CREATE MACRO bare(x) AS trim(x, '="');

CREATE MACRO utc(x) AS CAST(left(x, 19) || 'Z' AS TIMESTAMPTZ);

CREATE MACRO person(kind, value) AS sha256('a key of this machine|' || kind || '|' || value);

CREATE MACRO courier(name) AS CASE name WHEN '顺丰速运' THEN 'sf' WHEN '中通快递' THEN 'zto' WHEN '圆通速递' THEN 'yto'
    WHEN '韵达快递' THEN 'yunda' WHEN '京东快递' THEN 'jd' ELSE 'unmapped' END;
