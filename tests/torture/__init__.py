"""Kill pulls at random moments, hundreds of times, and compare what is left with the truth.

``make torture``; a short version is part of the tests.
"""
