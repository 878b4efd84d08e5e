"""Hand data to other programs: CSV, Parquet, plain-text accounting, tax calculators.

Read from the published DuckDB file, so that an export shows one moment, also while pulls run.

``selection``  rows of one table or view, with filters
``target``     where it goes: a file that appears whole, or standard output
``csv``        rows as text, decimals exact
``parquet``    rows as one file of the contracted types
``events``     what happened to the accounts, one row per event of the double-entry ``ledger``
``names``      account and commodity names as Beancount and hledger allow them
``beancount``  events as a Beancount journal
``hledger``    events as an hledger journal
``bittytax``   events as transaction records of BittyTax
``queries/``   the SQL of all of them
"""
