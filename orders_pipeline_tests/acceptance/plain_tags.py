"""Customer tags by plain SQL over the wholesaler's own file, sharing nothing with the product.

It asks each day of the last week anew (a tag goes after seven failing days), where the product follows what changes.
"""

TODAY = "DATE '2011-12-10'"

#: One row per invoice of a known customer. Lines of a negative quantity on plain invoices are stock, not sales.
PREPARED = """
CREATE TABLE lines AS
SELECT InvoiceNo AS invoice, CAST(CustomerID AS BIGINT) AS customer, StockCode AS sku, Quantity AS quantity,
    round(CAST(Quantity * CAST(UnitPrice AS DECIMAL(18, 4)) AS DECIMAL(18, 6)), 2) AS amount, CAST(InvoiceDate AS TIMESTAMP) AS moment,
    upper(InvoiceNo) LIKE 'C%' AS credit
FROM '{file}' WHERE Quantity >= 0 OR upper(InvoiceNo) LIKE 'C%';
CREATE TABLE invoices AS
SELECT invoice, customer, any_value(credit) AS credit, min(moment) AS moment, CAST(min(moment) AS DATE) AS day, sum(amount) AS amount,
    sum(quantity) AS pieces, count(*) FILTER (WHERE amount > 0) AS lines
FROM lines WHERE customer IS NOT NULL AND upper(invoice) NOT LIKE 'A%' GROUP BY 1, 2;
DELETE FROM invoices AS i WHERE NOT EXISTS (SELECT 1 FROM invoices AS o WHERE o.customer = i.customer AND NOT o.credit);
CREATE TABLE days AS SELECT {today} - CAST(n AS INTEGER) AS day FROM range(7) AS t(n);
CREATE MACRO wilson_low(x, n) AS (least(x / n, 1) + 1.959963984540054 ^ 2 / (2 * n) - 1.959963984540054 * sqrt(
    least(x / n, 1) * (1 - least(x / n, 1)) / n + 1.959963984540054 ^ 2 / (4 * n * n))) / (1 + 1.959963984540054 ^ 2 / n);
"""

#: Tag -> the customers it stands for. `d.day` is each of the last seven days.
PLAIN = {
    "high_potential": """
        WITH baskets AS (
            SELECT i.customer, d.day, count(*) FILTER (WHERE NOT credit) AS n, sum(amount) AS amount,
            FROM invoices AS i JOIN days AS d ON i.day BETWEEN d.day - 29 AND d.day GROUP BY 1, 2),
        today AS (
            SELECT b.customer, amount / n AS basket,
                CASE WHEN {today} - first <= 90 THEN 1 WHEN {today} - first <= 365 THEN 2 ELSE 3 END AS band
            FROM baskets AS b JOIN (SELECT customer, min(day) AS first FROM invoices WHERE NOT credit GROUP BY 1) USING (customer)
            WHERE b.day = {today} AND n > 0),
        known AS (
            SELECT customer, CASE WHEN {today} - min(day) <= 90 THEN 1 WHEN {today} - min(day) <= 365 THEN 2 ELSE 3 END AS band
            FROM invoices WHERE NOT credit GROUP BY 1),
        bars AS (
            SELECT k.customer,
                CASE WHEN count(*) FILTER (WHERE p.band = k.band) >= 30 THEN median(p.basket) FILTER (WHERE p.band = k.band)
                    WHEN count(*) >= 30 THEN median(p.basket) END AS bar
            FROM known AS k JOIN today AS p ON p.customer <> k.customer GROUP BY k.customer)
        SELECT DISTINCT customer FROM baskets JOIN bars USING (customer) WHERE n >= 3 AND amount / n > 1.5 * bar""",
    "frequent_canceller": """
        WITH counts AS (
            SELECT i.customer, d.day, count(*) AS n, count(*) FILTER (WHERE credit) AS x
            FROM invoices AS i JOIN days AS d ON i.day BETWEEN d.day - 89 AND d.day GROUP BY 1, 2)
        SELECT DISTINCT customer FROM counts
        WHERE n >= 5 AND x >= 3 AND x / n > 0.3
            AND wilson_low(x, n) > (SELECT sum(x) / sum(n) FROM counts WHERE day = {today})""",
    "rfm_champion": """
        SELECT DISTINCT customer FROM (
            SELECT i.customer, d.day, count(*) FILTER (WHERE NOT credit) AS n, sum(amount) AS amount,
                d.day - max(i.day) FILTER (WHERE NOT credit) AS away
            FROM invoices AS i JOIN days AS d ON i.day BETWEEN d.day - 364 AND d.day GROUP BY 1, 2)
        WHERE n >= 5 AND amount >= 150 AND away <= 90""",
    "at_risk_high_value": """
        WITH gaps AS (
            SELECT customer, day - lag(day) OVER (PARTITION BY customer ORDER BY moment) AS gap
            FROM invoices WHERE NOT credit AND day > {today} - 365),
        usual AS (
            SELECT customer, greatest(2 * median(gap), quantile_disc(gap, 0.75)) AS gap FROM gaps WHERE gap IS NOT NULL GROUP BY 1)
        SELECT customer FROM (
            SELECT customer, count(*) FILTER (WHERE NOT credit) AS n, sum(amount) AS amount,
                {today} - max(day) FILTER (WHERE NOT credit) AS away
            FROM invoices WHERE day > {today} - 365 GROUP BY 1) JOIN usual USING (customer)
        WHERE n >= 3 AND amount >= 150 AND away > gap""",
    "new_customer": "SELECT customer FROM invoices WHERE NOT credit GROUP BY 1 HAVING {today} - min(day) < 30",
    "dormant": "SELECT customer FROM invoices WHERE NOT credit GROUP BY 1 HAVING {today} - max(day) >= 180",
    "high_returner": """
        WITH pieces AS (
            SELECT i.customer, d.day, coalesce(sum(pieces) FILTER (WHERE NOT credit), 0) AS n,
                -coalesce(sum(pieces) FILTER (WHERE credit), 0) AS x, count(*) FILTER (WHERE credit) AS returns
            FROM invoices AS i JOIN days AS d ON i.day BETWEEN d.day - 179 AND d.day GROUP BY 1, 2)
        SELECT DISTINCT customer FROM pieces
        WHERE n >= 5 AND returns >= 2
            AND wilson_low(x, n) > (SELECT round(sum(x) / sum(n), 6) FROM pieces WHERE day = {today})""",
    "full_price_loyal": """
        SELECT DISTINCT customer FROM (
            SELECT i.customer, d.day, count(*) AS n, sum(lines) AS priced
            FROM invoices AS i JOIN days AS d ON i.day BETWEEN d.day - 179 AND d.day WHERE NOT credit GROUP BY 1, 2)
        WHERE n >= 3 AND priced > 0""",
    "bulk_or_reseller": """
        WITH usual AS (SELECT sku, quantile_disc(quantity, 0.995) AS quantity FROM lines WHERE quantity > 0 GROUP BY 1),
        large AS (SELECT DISTINCT l.invoice FROM lines AS l JOIN usual AS u USING (sku) WHERE l.quantity > u.quantity)
        SELECT DISTINCT customer FROM (
            SELECT i.customer, d.day, count(*) AS n, count(g.invoice) AS x
            FROM invoices AS i JOIN days AS d ON i.day BETWEEN d.day - 89 AND d.day LEFT JOIN large AS g USING (invoice)
            WHERE NOT credit GROUP BY 1, 2)
        WHERE n >= 2 AND x >= 2""",
}
