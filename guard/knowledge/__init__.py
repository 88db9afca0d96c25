"""Knowledge bases: documents that claims are held against. Written by `haechi knowledge`, read while a gateway runs."""

from guard.knowledge.base import KnowledgeBase, open_base
from guard.knowledge.errors import KnowledgeEmpty, KnowledgeMissing, UnusableKnowledge
from guard.knowledge.evidence import Evidence, EvidenceSource, Found
from guard.knowledge.store import About, Document, KnowledgeWriter

__all__ = [
    "About",
    "Document",
    "Evidence",
    "EvidenceSource",
    "Found",
    "KnowledgeBase",
    "KnowledgeEmpty",
    "KnowledgeMissing",
    "KnowledgeWriter",
    "UnusableKnowledge",
    "open_base",
]
