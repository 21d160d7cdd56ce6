"""What is kept: one small repository per concern over SQLAlchemy, and the migrations."""
