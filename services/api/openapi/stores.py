"""What a project keeps: contexts, extensions, certificates; and the project itself."""

from __future__ import annotations

from typing import Final

from services.api import bodies
from services.api.openapi import shapes
from services.api.openapi.operations import Operation, Operations

CONTEXTS: Final[Operations] = {
    "POST /v1/contexts": Operation(
        "Contexts_create",
        "Create a context",
        shapes.ContextUpload,
        status=201,
        body=bodies.CreateContext,
        refusals=(403, 409),
    ),
    "GET /v1/contexts/{context_id}": Operation("Contexts_get", "Get a context", shapes.Context),
    "PUT /v1/contexts/{context_id}": Operation(
        "Contexts_update", "Get a URL to upload a profile to a context", shapes.ContextUpload
    ),
    "DELETE /v1/contexts/{context_id}": Operation("Contexts_delete", "Delete a context", status=204),
    "GET /v1/contexts/{context_id}/versions": Operation(
        "Contexts_listVersions",
        "List the versions of a context",
        list[shapes.ContextVersion],
        description="Not in Browserbase's API.",
    ),
    "POST /v1/contexts/{context_id}/rollback": Operation(
        "Contexts_rollback",
        "Choose the version that the next session begins with",
        shapes.Context,
        body=bodies.RollBack,
        description="Not in Browserbase's API.",
    ),
}

EXTENSIONS: Final[Operations] = {
    "POST /v1/extensions": Operation("Extensions_upload", "Upload an extension", shapes.Extension, file=True),
    "GET /v1/extensions/{extension_id}": Operation("Extensions_get", "Get an extension", shapes.Extension),
    "DELETE /v1/extensions/{extension_id}": Operation("Extensions_delete", "Delete an extension", status=204),
}

CERTIFICATES: Final[Operations] = {
    "POST /v1/certificates": Operation("Certificates_upload", "Upload CA certificates", shapes.Certificate, file=True),
    "GET /v1/certificates": Operation("Certificates_list", "List CA certificates", list[shapes.Certificate]),
    "GET /v1/certificates/{certificate_id}": Operation("Certificates_get", "Get one upload", shapes.Certificate),
    "DELETE /v1/certificates/{certificate_id}": Operation("Certificates_delete", "Delete one upload", status=204),
}

PROJECTS: Final[Operations] = {
    "GET /v1/projects": Operation("Projects_list", "List the key's project", list[shapes.Project]),
    "GET /v1/projects/{project_id}": Operation("Projects_get", "Get the project", shapes.Project),
    "GET /v1/projects/{project_id}/usage": Operation("Projects_usage", "Get what it used", shapes.ProjectUsage),
}
