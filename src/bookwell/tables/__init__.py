"""Tables: a restaurant's front door; takes orders for tables, passes them on, tells the guest."""
