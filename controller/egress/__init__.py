"""The one way out of a guest: every connection of Chrome's is made here, to an address that was checked."""
