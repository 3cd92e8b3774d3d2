"""What files of ours are made of: strict JSON, checksums, members that are checked one by one, numbers that JSON lacks."""
