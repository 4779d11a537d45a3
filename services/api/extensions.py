"""/v1/extensions, and what a create that names one asks of the guest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies
from services.api.answers import Refusal, timestamp
from wallcrawler.errors import NotFound
from wallcrawler.extension import Extension
from wallcrawler.project import Project
from wallcrawler.wire import package
from wallcrawler.wiring import Ports

#: Characters of a file's name that are kept.
NAME_LIMIT = 255


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("extensions", __name__)

    @routes.post("/v1/extensions")
    def create() -> Response:
        file = bodies.multipart_file(request, limit=package.LIMIT)
        try:
            found = package.examine(file.body)
        except package.NotAnExtension as wrong:
            raise Refusal(400, f"body/file {wrong}") from None
        file.body.seek(0)
        extension = ports.extensions.add(
            g.project_id, file_name=file.name[:NAME_LIMIT], name=found.name, size=file.size, body=file.body
        )
        return jsonify(extension_body(extension))

    @routes.get("/v1/extensions/<extension_id>")
    def retrieve(extension_id: str) -> Response:
        return jsonify(extension_body(ports.extensions.get(g.project_id, extension_id)))

    @routes.delete("/v1/extensions/<extension_id>")
    def delete(extension_id: str) -> Response:
        ports.extensions.delete(g.project_id, extension_id)
        return Response(status=204)

    return routes


def extension_body(extension: Extension) -> dict[str, Any]:
    return {
        "id": extension.id,
        "createdAt": timestamp(extension.created_at),
        "updatedAt": timestamp(extension.updated_at),
        "fileName": extension.file_name,
        "projectId": extension.project_id,
    }


def plan(wish: bodies.CreateSession, project: Project, ports: Ports) -> Mapping[str, Any]:
    """Which extensions the guest loads: both where two are named. Raises Refusal for one that is not there."""
    named = {
        "body/extensionId": wish.extension_id,
        "body/browserSettings/extensionId": wish.browser_settings.extension_id,
    }
    found: dict[str, Extension] = {}
    for field, extension_id in named.items():
        if extension_id is None or extension_id in found:
            continue
        try:
            found[extension_id] = ports.extensions.get(project.id, extension_id)
        except NotFound as missing:
            raise Refusal(400, f"{field} must be the id of an extension of this project: {missing}") from None
    wanted = [{"id": one.id, "name": one.name, "sha256": one.sha256} for one in found.values()]
    return {"extensions": wanted} if wanted else {}
