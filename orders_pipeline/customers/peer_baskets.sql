-- grain: customer_key
-- refresh: whole
-- changes at: always
-- The median basket of a customer's peers, himself left out: customers of the same channel and currency who have been known for about
-- as long; where these are too few, all of the channel.
WITH lately AS (
    SELECT
        customer_key,
        sum(CASE WHEN leaves_on > as_on THEN sample ELSE 0 END) AS sample,
        sum(CASE WHEN leaves_on > as_on THEN base ELSE 0 END) AS base,
        -- Enough orders on some day on which the tag may still have held.
        sum(CASE WHEN leaves_on > add_days(as_on, -off_after_days) THEN sample ELSE 0 END) >= min(sample_min) AS is_candidate
    FROM customers.tag_evidence
    WHERE tag = 'high_potential'
    GROUP BY customer_key
),

baskets AS (
    SELECT
        t.customer_key,
        p.channel || '|' || p.currency AS wide_group,
        p.channel || '|' || p.currency || '|' || CASE
            WHEN days_between(p.as_on, p.first_on) <= 90 THEN 'first quarter'
            WHEN days_between(p.as_on, p.first_on) <= 365 THEN 'first year'
            ELSE 'longer'
        END AS near_group,
        t.sample,
        t.is_candidate,
        ratio(t.base, t.sample) AS basket
    FROM lately AS t
    INNER JOIN customers.people AS p ON t.customer_key = p.customer_key
),

grouped AS (
    SELECT near_group AS peer_group, customer_key, sample, is_candidate, basket, TRUE AS is_near FROM baskets

    UNION ALL

    SELECT wide_group AS peer_group, customer_key, sample, is_candidate, basket, FALSE AS is_near FROM baskets
),

peers AS (
    SELECT
        peer_group,
        customer_key,
        basket,
        row_number() OVER (PARTITION BY peer_group ORDER BY basket ASC NULLS LAST, customer_key ASC NULLS LAST) AS place
    FROM grouped
    WHERE sample > 0
),

sizes AS (
    SELECT
        peer_group,
        count(*) AS peer_count
    FROM peers
    GROUP BY peer_group
),

asked AS (
    SELECT
        g.customer_key,
        g.peer_group,
        g.is_near,
        coalesce(p.place, s.peer_count + 1) AS own_place,
        s.peer_count - CASE WHEN p.place IS NOT NULL THEN 1 ELSE 0 END AS other_count
    FROM grouped AS g
    INNER JOIN sizes AS s ON g.peer_group = s.peer_group
    LEFT JOIN peers AS p ON g.peer_group = p.peer_group AND g.customer_key = p.customer_key
    WHERE g.is_candidate
),

middles AS (
    SELECT
        a.customer_key,
        a.is_near,
        ratio(b.basket + c.basket, 2) AS basket
    FROM asked AS a
    CROSS JOIN customers.tag_rules AS r
    INNER JOIN peers AS b
        ON a.peer_group = b.peer_group
        AND b.place = (a.other_count + 1) // 2 + CASE WHEN (a.other_count + 1) // 2 >= a.own_place THEN 1 ELSE 0 END
    INNER JOIN peers AS c
        ON a.peer_group = c.peer_group
        AND c.place = (a.other_count + 2) // 2 + CASE WHEN (a.other_count + 2) // 2 >= a.own_place THEN 1 ELSE 0 END
    WHERE r.tag = 'high_potential' AND a.other_count >= r.peers_min
)

SELECT
    customer_key,
    coalesce(max(CASE WHEN is_near THEN basket END), max(basket)) AS basket
FROM middles
GROUP BY customer_key
