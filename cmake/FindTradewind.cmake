# find_package(Tradewind) inside the tree: the package is the tree itself, so that a service's CMakeLists.txt is the same
# line by line in here and outside, where TradewindConfig.cmake answers.
set(Tradewind_FOUND TRUE)
