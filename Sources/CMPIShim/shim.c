// SwiftPM wants one source file per C target; everything is inline in the header.
#include "CMPIShim.h"
