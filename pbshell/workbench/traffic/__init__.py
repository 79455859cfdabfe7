"""What was said: recorded, remembered, shown, looked at again and judged."""
