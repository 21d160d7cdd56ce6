"""The app: a Streamlit server over one Board. Pages parse, call the Board and draw."""
