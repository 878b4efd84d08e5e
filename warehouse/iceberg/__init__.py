"""The second publish target: Iceberg tables with the rows and columns of the DuckDB tables.

``target``      where they are: catalog, warehouse, storage
``tables``      their schemas and partitions; the catalog and its errors
``contents``    which data files a table has, and which it should have
``publishing``  one commit per changed table
``cleaning``    expired snapshots, and files that no snapshot has

Everything but ``target`` needs the extra ``iceberg`` (pyiceberg).
"""

from typing import TYPE_CHECKING

from schemas.exports import exported
from warehouse.iceberg.target import IcebergTarget

if TYPE_CHECKING:
    from warehouse.iceberg.publishing import publish_iceberg

__all__ = ["IcebergTarget", "publish_iceberg"]

__getattr__ = exported(__name__, {"publishing": ("publish_iceberg",)})
