"""The pages, as files: thin, each a script that asks the Board and draws what it says."""
