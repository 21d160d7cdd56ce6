"""The HTTP API: parse a request, call the Board as the key's tenant and user, answer in JSON."""
