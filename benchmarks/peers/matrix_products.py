"""The floating-point operations of the matrix products that PyTorch or JAX does meanwhile."""

import math
import sys
from typing import Any


class Counter:
    """Counts multiplications and additions from `start` to `stop`, of what runs in this thread.

    PyTorch has a counter of its own. JAX's compiled functions run step by step meanwhile
    (`jax_disable_jit`), so that each product that is computed is seen, gradients' ones included.
    """

    def start(self) -> None:
        """Begins at 0."""
        self._jax_flop = 0
        self._torch = None
        if "torch" in sys.modules:
            from torch.utils.flop_counter import FlopCounterMode

            self._torch = FlopCounterMode(display=False)
            self._torch.__enter__()
        if "jax" in sys.modules:
            import jax
            from jax.extend.core import primitives

            product = primitives.dot_general_p.impl

            def counted(left: Any, right: Any, **settings: Any) -> Any:
                (contracted, _), _ = settings["dimension_numbers"]
                result = product(left, right, **settings)
                inner = math.prod(left.shape[axis] for axis in contracted)
                self._jax_flop += 2 * result.size * inner
                return result

            primitives.dot_general_p.def_impl(counted)
            jax.config.update("jax_disable_jit", True)

    def stop(self) -> int:
        """Ends the counting, for good in this process; returns the number."""
        if self._torch is None:
            return self._jax_flop
        self._torch.__exit__(None, None, None)
        return self._jax_flop + self._torch.get_total_flops()
