"""What each process does. Folder names are process names; they import the kernel, never each other."""
