SELECT filename, guid(channel, shop_id, channel_order_id) AS order_guid, kind, status, CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    money(refund_amount) AS refund_amount, CAST(requested_at AS TIMESTAMPTZ) AS requested_at,
    CAST(received_at AS TIMESTAMPTZ) AS received_at, CAST(refunded_at AS TIMESTAMPTZ) AS refunded_at
FROM {{ files('standard_returns') }}
WHERE {{ only_new_files() }}
