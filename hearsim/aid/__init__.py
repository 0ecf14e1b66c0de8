"""The hearing aid in path order: separator, remix, compensation, limiter."""
