SELECT channelId, MAX(chatId) AS last_chat_id, COUNT_BIG(*) AS messages
FROM {database}.dbo.tblChat
GROUP BY channelId
