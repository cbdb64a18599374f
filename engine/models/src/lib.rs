//! Floor 3: deepsurv and linear Cox.
