"""How quickly Tidemark moves trades from an exchange into SQL, side by side with its peers.

``python -m bench`` runs it; ``bench/README.md`` says what is measured and how it is kept fair.
"""
