"""What `pegboard check` holds a plugin to, one file for each part of the checklist."""
