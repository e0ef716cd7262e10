from .audit import Audit as Audit
from .audit import audit_lines as audit_lines
from .audit import audit_model as audit_model
from .claims import Claim as Claim
from .claims import Model as Model
