SELECT channelId, MAX(chatId) AS last_chat_id FROM {database}.dbo.tblChat GROUP BY channelId
