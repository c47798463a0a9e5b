-- grain: region_key
-- refresh: region by region_key
-- through: texts.places
-- returns: region_key UUID, province VARCHAR, city VARCHAR, district VARCHAR, region_code VARCHAR, region_resolution VARCHAR
-- Every combination of province, city, district and beginning of an address that an order file holds, and the place it means.
SELECT
    region_key,
    min(province) AS province,
    min(city) AS city,
    min(district) AS district,
    min(address_head) AS address_head
FROM raw.orders
WHERE region_key IS NOT NULL
GROUP BY region_key
