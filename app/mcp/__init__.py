"""A Board as a tool of other agents, by the Model Context Protocol: over stdio, and over HTTP.

What is asked is parsed, the Board is called, and what it gave is drawn. Who asks is never said in
the arguments of a call: `BoardFor` tells it for the request that is being answered.
"""
