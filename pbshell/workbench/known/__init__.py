"""What is known of objects whose source is elsewhere: methods, interface files, placeholders."""
