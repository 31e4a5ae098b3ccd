"""Links from the HTML representation of estimators to their documentation."""

import skalign

DOCUMENTATION = "https://skalign.readthedocs.io/en/latest"


class DocumentedMixin:
    """Mixin that links the HTML representation of a public class to its page.

    The attributes are those that scikit-learn reads. Classes that are not public, or
    not of this package, have no link.
    """

    _doc_link_template = f"{DOCUMENTATION}/generated/{{page}}.html"

    @property
    def _doc_link_module(self):
        return "skalign" if self._page else ""

    def _doc_link_url_param_generator(self):
        return {"page": self._page}

    @property
    def _page(self):
        """Public name of the class, after which its page is called; or None."""
        cls = type(self)
        package, *rooms = cls.__module__.split(".")
        if package != "skalign" or not rooms:
            return None
        for place in ("skalign", f"skalign.{rooms[0]}"):
            module = skalign if place == "skalign" else getattr(skalign, rooms[0])
            if getattr(module, cls.__name__, None) is cls:
                return f"{place}.{cls.__name__}"
        return None
