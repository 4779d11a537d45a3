"""/v1/projects. A key sees its own project."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api.answers import project_body, usage_body
from wallcrawler.errors import NotFound
from wallcrawler.project import Project
from wallcrawler.wiring import Ports


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("projects", __name__)

    @routes.get("/v1/projects")
    def list_projects() -> Response:
        return jsonify([project_body(ports.catalog.project(g.project_id))])

    @routes.get("/v1/projects/<project_id>")
    def retrieve(project_id: str) -> Response:
        return jsonify(project_body(own(project_id)))

    @routes.get("/v1/projects/<project_id>/usage")
    def usage(project_id: str) -> Response:
        return jsonify(usage_body(own(project_id)))

    def own(project_id: str) -> Project:
        if project_id != g.project_id:
            raise NotFound(f"there is no project {project_id}")
        return ports.catalog.project(project_id)

    return routes
