"""Who is one person: the connected components of the links that people have declared between accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def components(links: pa.Table) -> pa.Table:
    """Every linked identity with the one it stands for, the first of its component in text order, whatever the order of the rows.

    `links` has customer_id and linked_customer_id, and the key of each.
    """
    import pyarrow as pa

    if not links.num_rows:
        kinds = {"member_id": pa.string(), "member_key": pa.string(), "customer_id": pa.string(), "member_count": pa.int32()}
        return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    def texts(name: str) -> np.ndarray:
        return links.column(name).to_numpy(zero_copy_only=False).astype(str)

    left, right = texts("customer_id"), texts("linked_customer_id")
    keys = np.concatenate([texts("customer_key"), texts("linked_key")])
    # Sorted, so that the first member of a component has the lowest number in it.
    members, first, numbers = np.unique(np.concatenate([left, right]), return_index=True, return_inverse=True)
    starts, ends = numbers[: len(left)], numbers[len(left) :]
    count = len(members)
    graph = coo_matrix((np.ones(len(starts), dtype=np.int8), (starts, ends)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, heads, sizes = np.unique(labels, return_index=True, return_counts=True)
    return pa.table(
        {
            "member_id": pa.array(members, pa.string()),
            "member_key": pa.array(keys[first], pa.string()),
            "customer_id": pa.array(members[heads[labels]], pa.string()),
            "member_count": pa.array(sizes[labels], pa.int32()),
        }
    )
