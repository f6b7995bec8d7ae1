"""What the agents' theory says, computed exactly on small tables: no sampling, no learning.

NumPy in float64 and nothing else. An equation's number is that of Schulman, Chen & Abbeel (2017),
*Equivalence Between Policy Gradients and Soft Q-Learning*, unless it says "IQ": then it is that of
Vieillard, Andrychowicz, Raichuk, Pietquin & Geist (2021), *Implicitly Regularized RL with Implicit
Q-Values*. `docs/theory/pg_is_soft_q.md` goes through all of it with numbers.

In shapes, S is the number of states, A that of actions, P that of parameters and N that of
segments. Policies are tables of probabilities [S, A], all of them positive.
"""
