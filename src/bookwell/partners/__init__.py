"""The gateway to libraries outside of the network, and the door through which outside systems reserve (Flask)."""
