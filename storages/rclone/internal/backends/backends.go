// Package backends registers the backends of rclone that can keep files.
//
// These of rclone's are left out, so that no setting, wrapper or connection
// string can reach them: local opens the node's own disk, memory forgets; cache
// writes to the node's disk what it has not uploaded yet; http, doi and archive
// are read-only; googlephotos, imagekit and cloudinary change what they keep or
// take media alone; sia's service has ended.
//
// The build tag "few" leaves out the clouds: what is left compiles in a fraction
// of the time, and is what tests have servers for.
package backends

import (
	_ "github.com/rclone/rclone/backend/alias"
	_ "github.com/rclone/rclone/backend/chunker"
	_ "github.com/rclone/rclone/backend/combine"
	_ "github.com/rclone/rclone/backend/compress"
	_ "github.com/rclone/rclone/backend/crypt"
	_ "github.com/rclone/rclone/backend/ftp"
	_ "github.com/rclone/rclone/backend/hasher"
	_ "github.com/rclone/rclone/backend/onedrive"
	_ "github.com/rclone/rclone/backend/s3"
	_ "github.com/rclone/rclone/backend/sftp"
	_ "github.com/rclone/rclone/backend/smb"
	_ "github.com/rclone/rclone/backend/union"
	_ "github.com/rclone/rclone/backend/webdav"
)
