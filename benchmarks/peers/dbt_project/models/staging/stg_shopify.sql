-- The order's own columns are filled on its first row only; its lines are numbered as the file has them.
{{ config(
    pre_hook="SET preserve_insertion_order = true",
    post_hook="SET preserve_insertion_order = false",
) }}
SELECT filename, row_number() OVER () AS row_no, guid('shopify', 'us', "Name") AS order_guid, "Name", "Id", "Payment ID", "Financial Status", "Fulfillment Status",
    "Currency", "Subtotal", "Discount Code", "Discount Amount", "Shipping", "Total", "Refunded Amount", "Created at", "Paid at",
    "Fulfilled at", "Cancelled at", "Shipping Phone", "Shipping Province", "Shipping City", "Lineitem sku", "Lineitem name",
    "Lineitem quantity", "Lineitem price", "Lineitem discount", "Lineitem fulfillment status"
FROM {{ files('shopify_orders') }}
WHERE {{ only_new_files() }}
