"""Many queries from a file: asked, some at a time, and answered into another file.

A line in, a line out; what was done stays done, however a batch ended.
"""
