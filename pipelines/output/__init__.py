"""What commands write, and with which exit code they end.

``formatting``  numbers, times, spans and fixes as text
``console``     lines and tables on stdout and stderr
``results``     the result of a query as table, CSV or JSON
``files``       files that appear only when they are complete
``extras``      optional packages, and the message where one is missing
``exits``       exit codes
"""
