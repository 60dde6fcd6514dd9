"""`python -m ganfeat.data.synthrooms --grid out.png`."""

from ganfeat.data.synthrooms.grid import main

main()
