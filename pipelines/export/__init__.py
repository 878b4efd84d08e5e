"""Hand data to other programs: CSV, Parquet, plain-text accounting, tax calculators.

Read from the published DuckDB file, so that an export shows one state, also while pulls run.

``tables``     rows of one table or view, filtered, as CSV or Parquet
``events``     what happened to the accounts, one row per event of the double-entry ``ledger``
``journal``    events as transactions of plain-text accounting, for the next two
``beancount``  a Beancount journal
``hledger``    an hledger journal
``bittytax``   events as transaction records of BittyTax
``sql``        the DuckDB file, and the files in ``queries/``
"""
