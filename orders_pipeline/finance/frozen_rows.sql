-- grain: section, month, channel, item, currency, order_guid
-- refresh: whole
-- The rows of the frozen sets that count. A month before the first close is held by the set of that one.
SELECT
    r.section,
    CAST(date_trunc('month', r.month) AS DATE) AS month,
    c.month AS closed_month,
    c.set_number,
    r.channel,
    r.item,
    coalesce(r.currency, '') AS currency,
    -- Sums stand for no order.
    coalesce(r.order_guid, guid_of('')) AS order_guid,
    r.opened_on,
    r.qty_diff,
    r.is_opening,
    r.is_closing,
    coalesce(r.is_written_off, FALSE) AS is_written_off,
    coalesce(r.opening_amount, 0) AS opening_amount,
    coalesce(r.increase_amount, 0) AS increase_amount,
    coalesce(r.decrease_amount, 0) AS decrease_amount,
    coalesce(r.written_off_amount, 0) AS written_off_amount,
    coalesce(r.closing_amount, 0) AS closing_amount,
    coalesce(r.prior_period_amount, 0) AS prior_period_amount
FROM raw.month_close_rows AS r
INNER JOIN finance.closed_sets AS c
    ON CAST(date_trunc('month', r.closed_month) AS DATE) = c.month AND r.set_number = c.set_number AND r.content_sha256 = c.content_sha256
