"""The kit's side of FastAPI: what holds around every request, problem documents, parameters, OpenAPI, operators."""
