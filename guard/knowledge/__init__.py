"""Knowledge bases: documents that claims are held against. Written by `haechi knowledge`, read while a gateway runs."""

from guard.knowledge.errors import KnowledgeEmpty, KnowledgeMissing, UnusableKnowledge
from guard.knowledge.evidence import Evidence, EvidenceSource, Found
from guard.knowledge.ports import About, Document, KnowledgeBase, KnowledgeWriter
from guard.knowledge.shelf import Shelf, open_base

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
    "Shelf",
    "UnusableKnowledge",
    "open_base",
]
