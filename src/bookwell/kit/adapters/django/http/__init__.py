"""HTTP for Django services: the edge around every request, problem documents, the API class, its OpenAPI document."""
