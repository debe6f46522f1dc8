"""What is stored and what it means."""
