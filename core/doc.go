// Package core is haul's domain: tasks, jobs, nodes, downloaders, storages and
// users, their states, and the interfaces between the parts that work on them.
// It knows no technology: each of those has a package of its own at the edge.
package core
