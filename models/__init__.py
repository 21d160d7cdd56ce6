"""Models: the gateway to LiteLLM, prices, the embedded model, and a scripted one for tests."""
