"""Fuzzing of the connectors: mutated answers of every documented call.

``answers``   what each call answers when all is well: the seeds
``mutate``    what a hostile server makes of an answer
``calls``     one call on a mutated answer, and what must hold afterwards

``python -m tests.fuzz --minutes 60`` runs for as long and prints how many answers it tried; a few
hundred are part of the suite (``tests/connectors/test_fuzz.py``).
"""
