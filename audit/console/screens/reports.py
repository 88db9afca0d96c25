"""Reports for officers, auditors and authorities: shown as a page to print, or taken as a file."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.accounts import Role
from audit.console.visit import Visit
from audit.reports import render
from audit.reports.document import Report
from audit.reports.kinds import Kind, Wish, make_report
from audit.rights.errors import InvalidReport

PAGE = "page"
_MIME = {
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "text": "text/plain",
    "pdf": "application/pdf",
}
FORMS = (PAGE, *_MIME)


async def show_reports(visit: Visit) -> Response:
    """What can be reported."""
    return visit.page("reports.html", kinds=[kind.value for kind in Kind], forms=FORMS)


async def make(visit: Visit) -> Response:
    """Make a report; that it was made is recorded. One that decrypts is for officers, with a ticket."""
    name, form = visit.field("kind"), visit.field("form")
    if name not in {kind.value for kind in Kind} or form not in FORMS:
        raise InvalidReport("a report has a kind and a form", hint="choose both from the lists")
    incident = visit.field("incident")
    if name == Kind.KOREA_ACCESS or incident:
        visit.needs(Role.OFFICER)
    wish = Wish(
        visit.language, _day_us(visit.field("since")), _day_us(visit.field("until")), visit.field("tenant"), incident,
        visit.name, visit.field("ticket"), {"controller": visit.field("controller")} if visit.field("controller") else {},
    )  # fmt: skip
    report = await run_in_threadpool(make_report, Kind(name), visit.parts.log_with_keys(), wish)
    if form == PAGE:
        return visit.page("report.html", report=report)
    content = await run_in_threadpool(_rendered, report, form)
    ending = "txt" if form == "text" else form
    headers = {"content-disposition": f'attachment; filename="haechi-{name}.{ending}"'}
    return Response(content, media_type=_MIME[form], headers=headers)


def _rendered(report: Report, form: str) -> bytes:
    if form == "pdf":
        return render.to_pdf(report)
    texts = {"html": render.to_html, "csv": render.to_csv, "text": render.to_text, "json": render.to_json}
    return texts[form](report).encode()


def _day_us(text: str) -> int:
    """The beginning of a day in UTC; 0 for none.

    Raises:
        InvalidReport: it is no day.
    """
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1e6) if text else 0
    except ValueError as error:
        raise InvalidReport(f"{text[:40]!r} is not a day", hint="for example 2026-11-24") from error
