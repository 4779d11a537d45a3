"""What of a user-data-dir is no part of the profile: what Chrome makes again by itself, and what says that it runs."""

from __future__ import annotations

import re
from typing import Final

#: Folders of the user-data-dir, and of the profiles in it, that are not kept.
LEFT_OUT: Final = frozenset(
    {
        # Caches: Chrome fills them again.
        "Application Cache",
        "Cache",
        "Code Cache",
        "DawnCache",
        "DawnGraphiteCache",
        "DawnWebGPUCache",
        "GPUCache",
        "GPUPersistentCache",
        "GrShaderCache",
        "GraphiteDawnCache",
        "Media Cache",
        "ShaderCache",
        "Shared Dictionary",
        # What Chrome downloads for itself.
        "CertificateRevocation",
        "OnDeviceHeadSuggestModel",
        "OptimizationGuideModels",
        "Safe Browsing",
        "Segmentation Platform",
        "Subresource Filter",
        "WidevineCdm",
        "ZxcvbnData",
        "component_crx_cache",
        "extensions_crx_cache",
        "hyphen-data",
        "optimization_guide_model_store",
        "segmentation_platform",
        # Reports, temporary files.
        "BrowserMetrics",
        "Crash Reports",
        "Crashpad",
        "WebRTC Logs",
        "blob_storage",
        # Which pages were open: a session starts with one that is blank.
        "Sessions",
        "Sessions_Encrypted",
    }
)

#: Names, wherever they are, that belong to a Chrome that runs or ran.
SCRUBBED: Final = re.compile(
    r"Singleton(Lock|Cookie|Socket)|DevToolsActivePort|lockfile|LOCK|BrowserMetrics.*\.pma|.*\.tmp"
)


def kept(path: tuple[str, ...]) -> bool:
    """Whether a path below the user-data-dir is part of the profile."""
    return not (LEFT_OUT & set(path[:2]) or any(SCRUBBED.fullmatch(step) for step in path))
