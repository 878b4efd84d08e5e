"""An exchange as several processes share it: connection, limits, nonces, breaker, responses."""
