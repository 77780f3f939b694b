"""What crosses a service border: HTTP bodies and messages. Imports pydantic alone."""
