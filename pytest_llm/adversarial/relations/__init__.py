"""What has to stay as it is, or to move one way, when a text is edited: one kind of relation a file."""
